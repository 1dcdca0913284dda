"""The pages: what answers each address. A page asks `reads/` for what it shows and `rendering.page` for its form."""

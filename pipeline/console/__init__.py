"""The console: what a customer success manager opens in the morning. It reads nights, and writes what people do.

A page has four files of one name: `reads/` gets what it shows out of the stores, `pages/` answers its address,
`templates/` is its form, and `texts/` are its words in both languages.
"""

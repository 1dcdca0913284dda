"""The pictures: inline SVG made by plain functions, one file each. Colours are classes of the style sheet.

A picture has a name and a description for those who do not see it, and its page has the same figures as text. It is
drawn for a width in pixels, once for screens and once for phones, so that its letters keep their size.
"""

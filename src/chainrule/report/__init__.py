"""Pictures and one-file HTML reports; the room knows arrays and networks, not tables.

`pictures` draws with matplotlib, `files` saves, `html` writes the page. Nothing heavy is imported
before one of them is.
"""

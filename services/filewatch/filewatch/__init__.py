"""filewatch: a small web service that tells whether files are as old, as empty and as free of errors as they should be.

It needs Python 3.11 and nothing else. `rules` says what a rule is, `patterns` and `walk` find the files, `check` judges
one, `scan` all of them, `monitor` does so again and again, `health` and `page` say the result, `server` serves it.
"""

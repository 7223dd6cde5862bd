"""Getting files and pictures from strangers: each is whole and verified, or it is not there.

`remote` says what a data set consists of, `consent` asks first, `fetch` gets one file and goes on
after a cut, `several` gets many, `links` gets the pictures of a list of addresses, `extract`
unpacks an archive without trusting it. What the files mean is the business of `course_lib.corpora`.
"""

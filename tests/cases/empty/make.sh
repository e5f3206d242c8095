# An empty file.
: >image

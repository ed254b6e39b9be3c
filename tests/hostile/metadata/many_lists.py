# attack: A file of forty megabytes of empty lists, which take thirty times as much when read.
# expect: double not answered, half not answered
# never: memory, hang, neighbour

# %% edit
def edit(notebook):
    return b'{"cells": [' + b"[]," * 14_000_000 + b"0]}"

# attack: The file is a hundred thousand opening brackets, which overflow a parser's stack.
# expect: double not answered, half not answered
# never: neighbour, hang

# %% edit
def edit(notebook):
    return b'{"cells": ' + b"[" * 100_000

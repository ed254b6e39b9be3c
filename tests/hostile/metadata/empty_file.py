# attack: A file without a byte.
# expect: double not answered, half not answered
# never: neighbour

# %% edit
def edit(notebook):
    return bytes(0) or b" "

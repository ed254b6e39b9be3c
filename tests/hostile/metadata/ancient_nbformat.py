# attack: The notebook claims format 3 and is not even that.
# expect: double not answered, half not answered
# never: neighbour

# %% edit
def edit(notebook):
    return b'{"nbformat": 3, "nbformat_minor": "x", "worksheets": 7, "metadata": []}'

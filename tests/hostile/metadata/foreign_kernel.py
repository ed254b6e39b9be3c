# attack: The notebook asks for a kernel that is another program.
# expect: double passed, half passed
# never: neighbour, file

# %% edit
def edit(notebook):
    notebook["metadata"]["kernelspec"] = {"name": "../../bash", "display_name": 7, "language": []}
    notebook["metadata"]["language_info"] = {"name": "bash", "version": {}, "mimetype": None}

# attack: A folder is handed in for the notebook.
# expect: double not answered, half not answered
# never: neighbour

# %% hand_in
def hand_in(notebook, folder):
    (folder / "tiny.ipynb").mkdir()

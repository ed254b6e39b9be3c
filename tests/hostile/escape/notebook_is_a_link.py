# attack: A link to another student's notebook is handed in.
# expect: double not answered, half not answered
# never: secret, marks

# %% hand_in
import os
def hand_in(notebook, folder):
    os.symlink(known["NEIGHBOUR"], folder / "tiny.ipynb")

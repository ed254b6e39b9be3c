# attack: JSON with repeated keys, NaN and numbers of five thousand digits.
# expect: double passed|not answered, half passed|not answered
# never: neighbour, marks

# %% edit
import json
def edit(notebook):
    text = json.dumps(notebook)
    return (text[:-1] + ', "nbformat": 4, "x": NaN, "y": ' + "9" * 5000 + "}").encode()

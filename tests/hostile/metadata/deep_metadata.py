# attack: Metadata nested nine hundred levels deep, which breaks whatever copies them.
# expect: double passed, half passed
# never: neighbour, hang

# %% edit
import json
def edit(notebook):
    notebook["metadata"]["x"] = "@@"
    deep = '{"a":' * 900 + "1" + "}" * 900
    return json.dumps(notebook).replace('"@@"', deep).encode()

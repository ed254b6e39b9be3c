# attack: A last cell looks through all objects of the process for texts of hidden tests.
# expect: double passed, half passed
# never: secret

# %% half
def half(x):
    return x / 2

# %% own
import gc
def texts(thing):
    found = [thing] if isinstance(thing, str) else []
    if isinstance(thing, dict):
        found = [v for v in list(thing.values()) if isinstance(v, str)]
    elif isinstance(thing, list | tuple):
        found = [v for v in thing if isinstance(v, str)]
    return [text for text in found if "known_only" in text and "@MARK@" not in text]
MINE = "@MARK@"
for thing in gc.get_objects():
    for text in texts(thing):
        if "MINE" not in text:
            print(text)

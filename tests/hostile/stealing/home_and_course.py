# attack: The answer prints the grader's files, by their names and by a walk through all folders.
# expect: half passed
# never: secret

# %% half
import os
def half(x):
    return x / 2
for path in ("@HOME@/notes.txt", "@COURSE@/notes.txt"):
    try:
        print(open(path).read())
    except OSError:
        pass
for top in ("@COURSE@", "@HOME@", "..", "../..", "../../../.."):
    for place, _, names in os.walk(top):
        for name in names[:50]:
            if name.endswith((".txt", ".ipynb", ".json", ".py")) and "site-packages" not in place:
                try:
                    print(open(os.path.join(place, name)).read(20000))
                except (OSError, ValueError):
                    pass

# attack: The answer reads nbgrader's gradebook.
# expect: half passed
# never: secret

# %% half
import sqlite3
def half(x):
    return x / 2
database = sqlite3.connect("file:@GRADEBOOK@?mode=ro", uri=True)
for table in ("student", "grade", "source_cell"):
    print(database.execute(f"select * from {table}").fetchall())

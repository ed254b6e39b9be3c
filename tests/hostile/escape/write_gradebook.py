# attack: The answer gives itself, and takes from others, points in the gradebook.
# expect: double failed, half passed
# never: marks

# %% double
import sqlite3
def double(x):
    return x
database = sqlite3.connect("@GRADEBOOK@", timeout=1)
database.execute("update grade set manual_score = 99, needs_manual_grade = 0")
database.commit()

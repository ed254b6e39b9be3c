# attack: The answer imports the grader itself to load the lesson with its tests.
# expect: half passed|kernel died|timed out
# never: secret

# %% half
import pathlib, sys
def half(x):
    return x / 2
sys.path.insert(0, "@COURSE@")
try:
    from nbproctor.course.lesson import load_lesson
    released = "@SOLUTION@".replace("/solutions/", "/notebooks/")
    print([cell.full for cell in load_lesson(pathlib.Path("@SOLUTION@"), pathlib.Path(released)).cells])
except Exception as error:
    print(error)
try:
    from nbgrader.api import Gradebook
    with Gradebook("sqlite:///@GRADEBOOK@") as gradebook:
        print([student.last_name for student in gradebook.students])
except Exception as error:
    print(error)

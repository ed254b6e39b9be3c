# attack: The result's == gives 100 instead of True, to make a score of it.
# expect: double passed, half failed|grader error
# never: marks

# %% half
class Generous:
    def __eq__(self, other):
        return 100
def half(x):
    return Generous()

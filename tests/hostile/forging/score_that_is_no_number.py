# attack: The result turns a sum of comparisons into an empty array, which prints as no number.
# expect: double passed, half failed|grader error
# never: marks

# %% half
import numpy as np
def half(x):
    return np.zeros(0)

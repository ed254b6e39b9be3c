#!/usr/bin/env bash
# Runs for each submission. Exits with 1, and writes no result, where no verdict would be fair.
exec /opt/nbproctor/environment/bin/python -m nbproctor.results.gradescope /autograder /autograder/source

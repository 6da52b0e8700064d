"""From a result table to what it means: measures, pictures, one page for the operator and the utility."""

"""The gradient of any expectation: grad E_p[f]."""

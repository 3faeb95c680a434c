"""The hash chains of the trail: the record a row is hashed over, verifying, signed heads, retention."""

"""Methods around methods: successive halving, uncertainty handling."""

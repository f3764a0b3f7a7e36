"""Published translators of other libraries behind the same interface."""

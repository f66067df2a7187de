"""The transfer plan: model, loading, checking, XSD."""

"""Pictures of policies, estimators and searches, drawn with matplotlib."""

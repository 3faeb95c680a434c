"""Providers' facts, one file a provider; `pooled.py` asks them about a URL."""

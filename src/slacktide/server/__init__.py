"""The site. For now its hot paths: decisions, the schedule for gates and its stream, answers for proxies, health."""

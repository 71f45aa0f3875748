"""Views: the state of experiments as answers for people, without terminal or HTTP."""

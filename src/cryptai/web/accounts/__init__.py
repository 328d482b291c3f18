"""Who is who: users, their API tokens, sign-in."""

"""Model calls of the `openai` client, recorded without decorating anything."""

"""The judge: prompts, the calls to the model that answers them, and what they may cost.

`prompts` and `functions` say what is asked, `reading` what the answer means, `judge` asks once for each row and metric;
`throttle` keeps to the rate that the server allows, `budget` to what may be spent, and `ledger` remembers every answer.
"""

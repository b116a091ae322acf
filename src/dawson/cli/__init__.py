"""Commands, a file each: options become a verb's arguments, its result a sentence. No science here."""

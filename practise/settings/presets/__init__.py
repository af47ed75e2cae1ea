"""From the params file to the recipe of a method: `official` is the authors', `default` the params file's."""

/** Finds the word that is most like another one, for "did you mean"; undefined where none is close. */
export function nearest(word: string, words: readonly string[]): string | undefined {
  const ranked = words
    .filter((other) => other.length > 1)
    .map((other) => ({ other, edits: edits(word, other) }))
    .sort((a, b) => a.edits - b.edits);
  const [best] = ranked;
  return best && best.edits <= Math.max(1, Math.floor(word.length / 3)) ? best.other : undefined;
}

/**
 * Number of letters to insert, remove or replace, and of neighbours to exchange: Levenshtein distance with
 * transpositions.
 */
function edits(a: string, b: string): number {
  let above: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const exchanged = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const changed = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, changed, exchanged ? above[j - 2]! + 1 : Infinity));
    }
    [above, row] = [row, next];
  }
  return row[b.length]!;
}

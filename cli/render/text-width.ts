const segmenter = new Intl.Segmenter(undefined, { granularity: 'grapheme' });
const plain = /^[\x20-\x7e]*$/;
/** Blocks that terminals draw two columns wide: CJK, Hangul, kana, full-width forms and emoji. */
const wide =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u;
// biome-ignore lint/suspicious/noControlCharactersInRegex: colour codes begin with one
const escapes = /\u001b\[[0-9;]*m/g;

/** How many columns a terminal needs for `text`; colour codes count nothing. */
export function textWidth(text: string): number {
  const visible = text.replaceAll(escapes, '');
  if (plain.test(visible)) return visible.length;
  let width = 0;
  for (const { segment } of segmenter.segment(visible)) width += segmentWidth(segment);
  return width;
}

/** `text` without colour codes cut to at most `columns`, with "…" where something is missing. */
export function cutText(text: string, columns: number): string {
  if (textWidth(text) <= columns) return text;
  let cut = '';
  let width = 0;
  for (const { segment } of segmenter.segment(text.replaceAll(escapes, ''))) {
    width += segmentWidth(segment);
    if (width > columns - 1) break;
    cut += segment;
  }
  return columns < 1 ? '' : `${cut}…`;
}

function segmentWidth(segment: string): number {
  if (/^[\p{Cc}\p{Cf}\p{Mn}]+$/u.test(segment)) return 0;
  return wide.test(segment) ? 2 : 1;
}

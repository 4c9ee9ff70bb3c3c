/**
 * Reads a count or a limit, up to `most`. Taken as it is, what is no number would be no limit.
 * @throws Error that names the setting
 */
export function wholeNumber(setting: string, text: string, most = 999_999_999_999_999): number {
  if (/^[1-9]\d*$/.test(text) && Number(text) <= most) return Number(text);
  throw new Error(`${setting} is "${text}"; write a whole number from 1 to ${most}`);
}

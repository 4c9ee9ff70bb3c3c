/**
 * Reads a count or a limit. Taken as it is, what is no number would be no limit.
 * @throws Error that names the setting, and what is allowed
 */
export function wholeNumber(
  setting: string,
  text: string,
  { least = 1, most = 999_999_999_999_999 }: { readonly least?: number; readonly most?: number } = {},
): number {
  if (/^\d+$/.test(text) && Number(text) >= least && Number(text) <= most) return Number(text);
  throw new Error(`${setting} is "${text}"; write a whole number from ${least} to ${most}`);
}

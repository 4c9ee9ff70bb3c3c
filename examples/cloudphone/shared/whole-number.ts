/** Reads a count or a limit. Taken as it is, what is no number would be no limit. @throws Error that names the setting */
export function wholeNumber(setting: string, text: string): number {
  if (!/^[1-9]\d{0,14}$/.test(text)) {
    throw new Error(`${setting} is "${text}"; write a whole number from 1, of at most 15 digits`);
  }
  return Number(text);
}

import { splitArguments } from './split-arguments.ts';

/** Reads one value of a file, in any form that PM2 takes, or says what would be accepted. */
export type Reader<T> = (value: unknown) => T | Refusal;

/** Why a value was not accepted. Not an exception: a file with five mistakes shows five. */
export class Refusal {
  readonly reason: string;
  readonly allowed: string;

  constructor(reason: string, allowed: string) {
    this.reason = reason;
    this.allowed = allowed;
  }
}

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const unitBytes: Readonly<Record<string, number>> = { '': 1, k: 1_024, m: 1_048_576, g: 1_073_741_824 };

/** 1500, "1500", "1500ms", "1.5s", "2m", "1h" or "1d", in milliseconds. */
export const readDuration: Reader<number> = (value) => {
  if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return Math.round(value);
  const match = typeof value === 'string' ? /^\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?\s*$/i.exec(value) : null;
  if (match !== null) return Math.round(Number(match[1]) * unitMs[(match[2] ?? 'ms').toLowerCase()]!);
  return new Refusal(`${show(value)} is not a duration`, 'milliseconds, or a text such as "500ms", "10s", "2m", "1h"');
};

/** 1024, "300K", "200M", "1.5G" or "512MB", in bytes; units are powers of 1024, as PM2 has them. */
export const readSize: Reader<number> = (value) => {
  if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return Math.round(value);
  const match = typeof value === 'string' ? /^\s*(\d+(?:\.\d+)?)\s*([kmg]?)i?b?\s*$/i.exec(value) : null;
  if (match !== null) return Math.round(Number(match[1]) * unitBytes[match[2]!.toLowerCase()]!);
  return new Refusal(`${show(value)} is not a size`, 'bytes, or a text such as "300K", "200M", "1G"');
};

export const readBoolean: Reader<boolean> = (value) => {
  if (typeof value === 'boolean') return value;
  if (value === 'true' || value === 'false') return value === 'true';
  return new Refusal(`${show(value)} is neither true nor false`, 'true, false');
};

export const readInteger: Reader<number> = (value) => {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  return typeof number === 'number' && Number.isSafeInteger(number)
    ? number
    : new Refusal(`${show(value)} is not a whole number`, 'a whole number');
};

export const readNumber: Reader<number> = (value) => {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  return typeof number === 'number' && Number.isFinite(number)
    ? number
    : new Refusal(`${show(value)} is not a number`, 'a number');
};

export const readText: Reader<string> = (value) =>
  typeof value === 'string' && value !== '' ? value : new Refusal(`${show(value)} is not a text`, 'a text');

/** An array of texts and numbers, or one line that is split as a shell would split it. */
export const readArguments: Reader<string[]> = (value) => {
  if (Array.isArray(value) && value.every((item) => typeof item === 'string' || typeof item === 'number')) {
    return value.map(String);
  }
  if (typeof value !== 'string')
    return new Refusal(`${show(value)} is not a list of arguments`, 'an array, or one text');
  try {
    return splitArguments(value);
  } catch (error) {
    return new Refusal(`${show(value)} ${(error as Error).message}`, 'an array, or one text with closed quotes');
  }
};

export const readTextList: Reader<string[]> = (value) => {
  if (typeof value === 'string' && value !== '') return [value];
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value;
  return new Refusal(`${show(value)} is not a list of texts`, 'a text, or an array of texts');
};

export const readIntegerList: Reader<number[]> = (value) => {
  const list = (Array.isArray(value) ? value : [value]).map(readInteger);
  return list.every((item) => typeof item === 'number')
    ? list
    : new Refusal(`${show(value)} is not a list of whole numbers`, 'a whole number, or an array of them');
};

export function oneOf<const T extends string>(...allowed: readonly T[]): Reader<T> {
  return (value) =>
    allowed.includes(value as T)
      ? (value as T)
      : new Refusal(`${show(value)} is not one of these`, allowed.map((word) => JSON.stringify(word)).join(', '));
}

/** A value as a message quotes it: short, and never a whole object. */
export function show(value: unknown): string {
  if (typeof value === 'function') return 'a function';
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

import type { z } from 'zod';

import { DroverError } from '../../contracts/drover-error.ts';
import { describeIssues, toIssues } from '../../contracts/issues.ts';

export type MessageSchema<T> = z.ZodType<T>;

/** Redis keeps a message once for each subscriber that reads slowly; larger content belongs in a file or a row, with its name here. */
export const maxMessageBytes = 1024 * 1024;
/** As everywhere in the API. */
const maxNameChars = 200;

/**
 * The message as text, checked before it leaves. Checks are synchronous: a schema with asynchronous refinements is refused.
 * @throws DroverError ARGUMENT_INVALID when the schema refuses it, or it is no JSON, or too large
 */
export function encodeMessage<T>(message: T, schema?: MessageSchema<T>): string {
  const checked = schema === undefined ? message : parse(message, schema);
  const text = stringify(checked);
  if (text === undefined) throw invalid('message', 'is not JSON', 'objects, arrays, strings, numbers, booleans, null');
  if (text.length > maxMessageBytes || Buffer.byteLength(text) > maxMessageBytes) {
    throw invalid('message', `is larger than ${maxMessageBytes} bytes`, 'the address of the content, in its place');
  }
  return text;
}

/**
 * The message from its text, checked as it arrives.
 * @throws DroverError ARGUMENT_INVALID when it is no JSON or the schema refuses it
 */
export function decodeMessage<T>(text: string, schema?: MessageSchema<T>): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw invalid('message', 'is not JSON');
  }
  return checkMessage(value, schema);
}

/** @throws DroverError ARGUMENT_INVALID when the schema refuses it */
export function checkMessage<T>(value: unknown, schema?: MessageSchema<T>): T {
  return schema === undefined ? (value as T) : parse(value, schema);
}

/** @throws DroverError ARGUMENT_INVALID unless it is 1 to 200 characters without spaces or control characters */
export function assertName(path: string, name: string): void {
  const isText = typeof name === 'string' && name.length <= maxNameChars && name.isWellFormed();
  if (isText && /^[^\s\p{Cc}]+$/u.test(name)) return;
  throw invalid(path, 'is no name', `1 to ${maxNameChars} characters without spaces or control characters`);
}

/** @throws DroverError ARGUMENT_INVALID unless it is a whole number in the range, ends included */
export function assertWithin(path: string, value: number, min: number, max: number): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  throw invalid(path, 'is out of range', `a whole number from ${min} to ${max}`);
}

function parse<T>(value: unknown, schema: MessageSchema<T>): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issues = toIssues(result.error, 'message');
  throw new DroverError('ARGUMENT_INVALID', `The message is not as its schema demands: ${describeIssues(issues)}`, {
    issues,
  });
}

function stringify(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}

function invalid(path: string, reason: string, allowed?: string): DroverError {
  const issue = { path, reason, ...(allowed === undefined ? {} : { allowed }) };
  return new DroverError('ARGUMENT_INVALID', describeIssues([issue]), { issues: [issue] });
}

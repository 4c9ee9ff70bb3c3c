import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readTree } from '../architecture/source-tree.ts';

const guide = 'docs/guides/troubleshooting.md';

/** Messages are quoted in bold code; what differs from case to case is an ellipsis. */
function readQuotedMessages(text: string): string[] {
  return [...text.matchAll(/\*\*`([^`]+)`[^*]*\*\*/g)].map((match) => match[1]!.replaceAll('\n', ' '));
}

/** The text of all programs, with template parts as ellipses and sentences in several pieces put together. */
function readMessages(): string {
  return readTree()
    .filter(({ path }) => /^(shared|controller|agent|cli|sdk)\/.*\.ts$/.test(path))
    .map(({ text }) => text.replaceAll(/['`] \+\s+['`]/g, '').replaceAll(/\$\{[^}]*\}/g, '…'))
    .join('\n');
}

test('every message that the troubleshooting guide quotes is one that a program can say', () => {
  const sources = readMessages();
  const quoted = readQuotedMessages(readTree().find(({ path }) => path === guide)?.text ?? '');
  assert.ok(quoted.length >= 12, 'the guide quotes messages');
  const unknown = quoted.filter((message) =>
    message
      .split('…')
      .map((part) => part.replaceAll(/^[\s,]+|[\s,]+$/g, ''))
      .some((part) => !sources.includes(part)),
  );
  assert.deepEqual(unknown, []);
});

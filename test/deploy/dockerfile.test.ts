import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { deployFolder } from './deploy-commands.ts';
import { checkDockerfile } from './dockerfile-rules.ts';

const root = path.dirname(deployFolder);
const text = readFileSync(path.join(deployFolder, 'Dockerfile'), 'utf8');

test('the Dockerfile is pinned, runs as a user, and passes signals on', () => {
  assert.deepEqual(checkDockerfile(text), []);
});

const broken: [dockerfile: string, problem: RegExp][] = [
  ['FROM node:latest\nUSER node', /not pinned/],
  ['FROM node:24-slim\nUSER node', /not pinned/],
  ['FROM node:24.21.0-slim', /runs as root/],
  ['FROM node:24.21.0-slim AS a\nUSER node\nFROM node:24.21.0-slim', /runs as root/],
  ['FROM node:24.21.0-slim\nUSER node\nADD https://example.org/x /x', /ADD/],
  ['FROM node:24.21.0-slim\nUSER node\nENTRYPOINT drover', /does not pass signals/],
  ['FROM node:24.21.0-slim\nRUN npm install\nUSER node', /use npm ci/],
  ['FROM node:24.21.0-slim\nRUN apt-get update \\\n && apt-get install -y tini\nUSER node', /lists stay/],
  ['FROM node:24.21.0-slim\nENV JOIN_TOKEN=a\nUSER node', /secret in the image/],
];

for (const [dockerfile, problem] of broken) {
  test(`a Dockerfile is refused: ${dockerfile.replaceAll('\n', '; ')}`, () => {
    assert.match(checkDockerfile(dockerfile).join('\n'), problem);
  });
}

test('the image has the Node that the tree is tested on', () => {
  const manifest = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as {
    devDependencies: { node: string };
  };
  for (const [, version] of text.matchAll(/^FROM node:([\d.]+)/gm))
    assert.equal(version, manifest.devDependencies.node);
});

test('what the image copies is there, and .dockerignore lets it through', () => {
  const ignored = readFileSync(path.join(root, '.dockerignore'), 'utf8').split('\n').filter(Boolean);
  const sources = [...text.matchAll(/^COPY (?!--from)(.*) \S+$/gm)].flatMap((match) => match[1]!.split(' '));
  assert.ok(sources.length > 0);
  for (const source of sources) {
    assert.ok(existsSync(path.join(root, source)), `${source} is not there`);
    assert.ok(!ignored.includes(source), `${source} is in .dockerignore`);
  }
});

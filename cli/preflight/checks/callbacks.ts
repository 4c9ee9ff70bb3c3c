import { type Check, type Finding, findingAt } from '../finding.ts';
import type { Source } from '../read-source.ts';
import { calleeName, isCall, isMember, textOf } from '../syntax.ts';

/** Addresses at which others tell of events, and tell again. */
const address = /(^|[/-])(web-?hooks?|callbacks?|hooks?|ipn)(\/|$|-|:)/i;
const loggingIn = /auth|login|saml|sso/i;

/** Routes for callbacks in a file that claims none. */
export const callbacks: Check = ({ source }) =>
  source.nodes.flatMap((node): Finding[] => {
    if (!isCall(node) || (calleeName(node) !== 'post' && calleeName(node) !== 'Post')) return [];
    const isRoute = calleeName(node) === 'Post' || (isMember(node.callee) && node.arguments.length > 1);
    const path = textOf(node.arguments[0]) ?? '';
    if (!isRoute || !address.test(path) || loggingIn.test(path) || /^https?:/.test(path) || claims(source)) return [];
    return [findingAt(source, node, 'callback-not-once', `POST ${path}`)];
  });

function claims(source: Source): boolean {
  return source.nodes.some(
    (node) => isCall(node) && /^(droverCallback|callbacks|processCallback)$/.test(calleeName(node) ?? ''),
  );
}

import type { PlanServiceResult } from '../../shared/contracts/operations.ts';
import type { Colors } from './output.ts';
import { count } from './quantity.ts';
import { cutText } from './text-width.ts';

/** Longer values (scripts in args, keys in env) are cut: the difference is about what, the file has the rest. */
const maxValueColumns = 60;

/** What a deploy would do, for people: the changes with their consequences, where instances go, what to think of. */
export function renderPlan(plan: PlanServiceResult, colors: Colors): string[] {
  const { bold, green, red, yellow, dim } = colors;
  const lines = [
    plan.exists
      ? `${bold(plan.service)} ${dim(`(now at revision ${plan.fromRevision})`)}`
      : `${bold(plan.service)} ${green('is new')}`,
  ];
  if (plan.exists) {
    for (const { path, before, after, consequence } of plan.changes) {
      if (before !== null) lines.push(`  ${red('-')} ${path}: ${cutText(before, maxValueColumns)}`);
      if (after !== null) lines.push(`  ${green('+')} ${path}: ${cutText(after, maxValueColumns)}`);
      lines.push(`      ${dim(consequence)}`);
    }
    if (plan.changes.length === 0) lines.push('  no changes');
  }
  const effects = [
    plan.adds > 0 ? `adds ${count(plan.adds, 'instance')}` : '',
    plan.replaces > 0 ? `replaces ${count(plan.replaces, 'instance')}` : '',
    plan.removes > 0 ? `removes ${count(plan.removes, 'instance')}` : '',
  ].filter((effect) => effect !== '');
  if (effects.length > 0) lines.push(`  ${effects.join(', ')}`);
  const perNode = Map.groupBy(
    plan.placements.filter(({ node }) => node !== null),
    ({ node }) => node,
  );
  if (perNode.size > 0) {
    lines.push(`  on ${[...perNode].map(([node, slots]) => `${node} (${slots.length})`).join(', ')}`);
  }
  for (const { slot, node, reason } of plan.placements) {
    if (node === null) lines.push(`  ${red(`no place for ${plan.service}#${slot}`)}: ${reason}`);
  }
  for (const warning of plan.warnings) lines.push(`  ${yellow('warning')} ${warning}`);
  return lines;
}

import { type Check, findingAt } from '../finding.ts';
import type { Project } from '../project.ts';
import { decoratorNames } from '../reach.ts';
import type { Source } from '../read-source.ts';
import { bare, calleeName, descendants, isCall, isFunction, isMember, type Node, textOf } from '../syntax.ts';

const packages = new Set(['node-cron', 'croner', 'cron', 'node-schedule', 'toad-scheduler']);
const scheduling = /^(schedule|scheduleJob|Cron|CronJob|from|addCronJob|addSimpleIntervalJob|addIntervalJob|default)$/;
/** Calls by which one of the instances is chosen, or one gets each piece. */
const claiming =
  /^(cronRun|lock|tryLock|withLock|using|claim\w*|isLeader|lead|run[A-Z]\w*Once|brpop|blpop|blmove|brpoplpush|xreadgroup|xReadGroup)$/;
/** What does no harm when all instances do it: it is about this process, or only looks. */
const harmless =
  /^(ping|terminate|log|info|debug|warn|error|trace|write|memoryUsage|cpuUsage|uptime|hrtime|now|monotonicMs|gc|forEach|map|filter|keys|values|entries|get|has|delete|clear\w*|unref|round|floor|max|min|Number|String|Boolean|Date|stringify|toISOString|toFixed|join|heartbeat|gauge|observe|inc|send|emit|abort|resolve|then|catch)$/;
/** Calls that look for work: in a database, in a list of Redis, at a queue. Other loops wait for something of their own. */
const looking =
  /^(find\w*|select\w*|query\w*|execute|all|[lrs]pop|zpopmin|zrange\w*|dequeue\w*|poll\w+|fetch\w*|receive\w*|(get)?next\w*(job|task|message)s?)$/i;
/** How many steps of calls are followed from a timer. */
const maxSteps = 4;

export const schedules: Check = ({ source, project, reach }) =>
  source.nodes.flatMap((node) => {
    if (node.type === 'ClassMethod') {
      const name = decoratorNames(node).find((one) => one === 'Cron' || one === 'Interval');
      if (name === undefined || isClaimed(project, source, node)) return [];
      const decorator = node.decorators?.find(({ expression }) => decoratorNamesOf(expression) === name) ?? node;
      return [findingAt(source, decorator, 'in-process-cron', `@${name}`)];
    }
    if (isEndless(node) && !reach.isInRequest(source, node)) {
      const looks = callsFrom(project, source, node).some((one) => isCall(one) && looking.test(calleeName(one) ?? ''));
      if (looks && !isClaimed(project, source, node)) {
        return [findingAt(source, node, 'loop-work', 'while (true)')];
      }
    }
    if (!isCall(node)) return [];
    const name = calleeName(node) ?? '';
    const origin = originOf(project, source, node);
    if (origin !== undefined && packages.has(origin.from) && (scheduling.test(name) || scheduling.test(origin.name))) {
      return isClaimed(project, source, node)
        ? []
        : [findingAt(source, node, 'in-process-cron', `${origin.from}: ${name}`)];
    }
    if (reach.isInRequest(source, node) || source.resolve(bare(node.callee)) !== undefined) return [];
    const callback = node.arguments[0];
    if (callback === undefined || node.callee.type !== 'Identifier') return [];
    if (name === 'setInterval') {
      const known = project.functionsOf(source, callback);
      const works = known.length === 0 || known.some((one) => hasWork(project, one.source, one.node));
      const claimed = known.some((one) => isClaimed(project, one.source, one.node));
      return works && !claimed ? [findingAt(source, node, 'timer-work', 'setInterval')] : [];
    }
    if (name !== 'setTimeout') return [];
    // A function that sets its own timer again.
    const again = project
      .functionsOf(source, callback)
      .find((one) => contains(one.node, node) || reaches(project, one, node));
    if (again === undefined || !hasWork(project, again.source, again.node)) return [];
    return isClaimed(project, again.source, again.node) ? [] : [findingAt(source, node, 'timer-work', 'setTimeout')];
  });

function decoratorNamesOf(expression: Node): string | undefined {
  if (isCall(expression)) return calleeName(expression);
  return expression.type === 'Identifier' ? expression.name : undefined;
}

/** Also of an object that was made by a package: `const scheduler = new ToadScheduler()`. */
function originOf(project: Project, source: Source, call: Node) {
  if (!isCall(call)) return undefined;
  const own = project.packageOf(source, call.callee);
  const callee = bare(call.callee);
  if (own !== undefined || !isMember(callee) || callee.object.type !== 'Identifier') return own;
  const init = source.resolve(callee.object)?.init;
  const made = init === undefined ? undefined : bare(init);
  return made?.type === 'NewExpression' && calleeName(call) !== 'from'
    ? project.packageOf(source, made.callee)
    : undefined;
}

function isEndless(node: Node): boolean {
  if (node.type === 'WhileStatement') return node.test.type === 'BooleanLiteral' && node.test.value;
  return node.type === 'ForStatement' && node.test == null && node.init == null;
}

/** All calls that are made from here, over a few steps. */
function callsFrom(project: Project, source: Source, root: Node): Node[] {
  const calls: Node[] = [];
  const seen = new Set<Node>();
  let level = [{ source, node: root }];
  for (let step = 0; step < maxSteps && level.length > 0; step += 1) {
    const next: typeof level = [];
    for (const one of level) {
      if (seen.has(one.node)) continue;
      seen.add(one.node);
      for (const call of descendants(one.node)) {
        if (!isCall(call)) continue;
        const inside = project.functionsOf(one.source, call.callee);
        if (inside.length > 0) next.push(...inside);
        calls.push(call);
      }
    }
    level = next;
  }
  return calls;
}

function hasWork(project: Project, source: Source, root: Node): boolean {
  return callsFrom(project, source, root).some((call) => {
    if (!isCall(call)) return false;
    const name = calleeName(call) ?? '';
    if (/^set(Timeout|Interval|Immediate)$/.test(name) || harmless.test(name)) return false;
    // What is in the tree has been followed; its own calls decide.
    return project.functionsOf(source, call.callee).length === 0 && !isFunction(bare(call.callee));
  });
}

function isClaimed(project: Project, source: Source, root: Node): boolean {
  const texts = descendants(root).flatMap((node) => textOf(node) ?? []);
  if (texts.some((text) => /skip\s+locked/i.test(text))) return true;
  return callsFrom(project, source, root).some((call) => isCall(call) && claiming.test(calleeName(call) ?? ''));
}

function contains(outer: Node, inner: Node): boolean {
  return descendants(outer).includes(inner);
}

function reaches(project: Project, { source, node }: { source: Source; node: Node }, target: Node): boolean {
  return callsFrom(project, source, node).includes(target);
}

/**
 * An ESLint rule: no array whose length comes from data is spread into a call. Each of its entries becomes
 * an argument, arguments lie on the stack, and beyond some 120,000 of them the call fails with "Maximum call
 * stack size exceeded". Take the greatest by a loop or `reduce`, and append by a loop.
 *
 * What is bounded where it stands passes: an array literal, a constant that is one, and a function's own rest
 * parameter (its caller has spread it, and is held to the same). What is bounded for another reason says so:
 * `// eslint-disable-next-line attune/bounded-spread -- at most so many, because …`.
 */

/** @type {import('eslint').Rule.RuleModule} */
export default {
  meta: {
    type: 'problem',
    schema: [],
    messages: {
      unbounded:
        '{{ text }} may hold as many entries as there are data, and each becomes an argument on the stack: use a loop or reduce.',
    },
  },
  create(context) {
    const { sourceCode } = context
    const check = (node) => {
      for (const argument of node.arguments) {
        if (argument.type === 'SpreadElement' && !isBounded(argument.argument, sourceCode)) report(argument.argument)
      }
    }
    const report = (node) =>
      context.report({
        node,
        messageId: 'unbounded',
        data: { text: sourceCode.getText(node).replace(/\s+/g, ' ').slice(0, 60) },
      })
    return {
      NewExpression: check,
      CallExpression(node) {
        check(node)
        // f.apply(that, list) is a spread by another name.
        const [, list] = node.arguments
        if (
          node.callee.type === 'MemberExpression' &&
          node.callee.property.type === 'Identifier' &&
          node.callee.property.name === 'apply' &&
          list !== undefined &&
          !isBounded(list, sourceCode)
        )
          report(list)
      },
    }
  },
}

/** Whether an expression is an array of no more entries than the source writes out. */
function isBounded(node, sourceCode) {
  switch (node.type) {
    case 'ArrayExpression':
      return node.elements.every(
        (element) => element?.type !== 'SpreadElement' || isBounded(element.argument, sourceCode),
      )
    case 'ConditionalExpression':
      return isBounded(node.consequent, sourceCode) && isBounded(node.alternate, sourceCode)
    case 'TSAsExpression':
    case 'TSSatisfiesExpression':
      return isBounded(node.expression, sourceCode)
    // A list of fixed length stays one when each of its entries becomes another.
    case 'CallExpression':
      return (
        node.callee.type === 'MemberExpression' &&
        node.callee.property.name === 'map' &&
        isBounded(node.callee.object, sourceCode)
      )
    case 'Identifier':
      return isBoundedName(node, sourceCode)
    default:
      return false
  }
}

function isBoundedName(node, sourceCode) {
  for (let scope = sourceCode.getScope(node); scope !== null; scope = scope.upper) {
    const definition = scope.set.get(node.name)?.defs[0]
    if (definition === undefined) continue
    if (definition.type === 'Parameter')
      return definition.node.params.some(
        (parameter) => parameter.type === 'RestElement' && parameter.argument === definition.name,
      )
    const { parent, node: declarator } = definition
    return (
      definition.type === 'Variable' &&
      parent?.kind === 'const' &&
      declarator.id === definition.name &&
      declarator.init != null &&
      !isPushedTo(scope, node.name) &&
      isBounded(declarator.init, sourceCode)
    )
  }
  return false
}

/** A constant list that grows is as long as what is put into it. */
function isPushedTo(scope, name) {
  return scope.set
    .get(name)
    .references.some(
      ({ identifier: { parent } }) =>
        parent?.type === 'MemberExpression' &&
        parent.object.name === name &&
        /^(push|unshift|splice)$/.test(parent.property.name ?? ''),
    )
}

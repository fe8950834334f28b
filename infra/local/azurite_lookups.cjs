// Loaded with `node --require`: lets Azurite's queues and partitions be long. Its store finds by the first member of a query and
// then looks at each row that has it. All messages of a queue share that member, and so do all rows of a partition: a write into a
// partition of 10,000 rows costs 30 times as much as into an empty one. Before each look at a queue it also removes the list of
// expired messages, which makes its indexes again, though that list is empty. Here it finds by the member that tells most apart, and
// removes nothing where there is nothing to remove. What is found is the same.
'use strict';

const Loki = require(require.resolve('lokijs', { paths: [__dirname] }));

const MESSAGES = '$MESSAGES_COLLECTION$';
const TELLING = ['messageId', 'expirationTime', 'timeNextVisible'];
const { addCollection } = Loki.prototype;
const { remove } = Loki.Collection.prototype;

Loki.prototype.addCollection = function (name, options) {
  return addCollection.call(this, name, name === MESSAGES ? { ...options, indices: TELLING } : options);
};

Loki.Collection.prototype.remove = function (found) {
  return Array.isArray(found) && found.length === 0 ? undefined : remove.call(this, found);
};

const Resultset = new Loki('any', { adapter: new Loki.LokiMemoryAdapter() }).addCollection('any').chain().constructor;
const { find } = Resultset.prototype;
Resultset.prototype.find = function (query, firstOnly) {
  const first = query && tellingMost(this.collection, query);
  return find.call(this, first ? { [first]: query[first], ...query } : query, firstOnly);
};

function tellingMost(collection, query) {
  if (collection.name === MESSAGES) return TELLING.find((name) => name in query);
  if (!('RowKey' in query && 'PartitionKey' in query)) return undefined;
  const rows = (name) => {
    const [first, last] = collection.calculateRange('$eq', name, query[name]);
    return last - first;
  };
  return rows('RowKey') < rows('PartitionKey') ? 'RowKey' : 'PartitionKey';
}

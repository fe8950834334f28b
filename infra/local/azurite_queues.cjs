// Loaded with `node --require`: lets Azurite's queues be long. All messages share the members by which Azurite looks for one first,
// and before each look it removes the list of expired messages, which makes its indexes again, though that list is empty: a delete
// costs ten times as much where 3,000 messages wait. Here its store looks by what tells messages apart, and removes nothing where
// there is nothing to remove. What is found is the same.
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
  const first = this.collection.name === MESSAGES && query && TELLING.find((name) => name in query);
  return find.call(this, first ? { [first]: query[first], ...query } : query, firstOnly);
};

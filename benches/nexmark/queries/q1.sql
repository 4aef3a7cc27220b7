-- q1: prices in euro. A projection with decimal arithmetic.
SELECT auction, bidder, 0.908 * price AS price, `dateTime`, extra FROM bid

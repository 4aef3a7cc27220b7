-- q2: bids for some auctions. A selective filter.
SELECT auction, price FROM bid WHERE MOD(auction, 123) = 0
